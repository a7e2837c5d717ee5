/*
description: What each agent has answered, and how fast it was resolved.
key: [agent_id]
slice: agent_id
inputs:
  telecoms.agents: agent_id
  telecoms.call_logs: agent_id
  telecoms.social_media: agent_id
  telecoms.web_forms: agent_id
load:
  - {to: snowflake, strategy: full}
*/
WITH said AS (
    SELECT 'call' AS channel, call_id AS complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at
    FROM telecoms.call_logs
    UNION ALL
    SELECT 'social', complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.social_media
    UNION ALL
    SELECT 'web', request_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.web_forms
), complaints AS (
    SELECT *, CASE WHEN status = 'resolved' THEN date_diff('minute', requested_at, resolved_at) END AS minutes
    FROM said
)
SELECT
    agent_id,
    any_value(state) AS state,
    any_value(experience) AS experience,
    count(complaint_id) AS complaints,
    count(complaint_id) FILTER (WHERE status = 'resolved') AS resolved,
    -- A mean in whole hundredths, half of one up: avg gives a double, which may be a little less than the half it stands for.
    CAST(floor((sum(minutes) * 200 + count(minutes)) / (nullif(count(minutes), 0) * 2)) / 100 AS DECIMAL(12, 2)) AS minutes
FROM telecoms.agents LEFT JOIN complaints USING (agent_id)
GROUP BY agent_id
