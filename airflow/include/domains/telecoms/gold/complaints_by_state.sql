/*
description: What agents of each state have answered, where they work now.
on: snowflake
key: [state, channel]
inputs: {telecoms.complaints: all, telecoms.agents: all}
controls:
  - {result: sum(complaints), input: telecoms.complaints, equals: count(*)}
*/
SELECT
    coalesce(agents.state, 'unknown') AS state,
    complaints.channel,
    count(*) AS complaints,
    count(*) FILTER (WHERE complaints.status = 'resolved') AS resolved,
    -- A mean in whole hundredths, half of one up: avg gives a double, which may be a little less than the half it stands for.
    CAST(floor((sum(complaints.minutes) * 200 + count(complaints.minutes)) / (nullif(count(complaints.minutes), 0) * 2)) / 100 AS DECIMAL(12, 2)) AS minutes
FROM telecoms.complaints AS complaints
LEFT JOIN telecoms.agents AS agents ON agents.agent_id = complaints.agent_id AND agents.is_current
GROUP BY coalesce(agents.state, 'unknown'), complaints.channel
