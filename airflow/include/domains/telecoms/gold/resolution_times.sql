/*
description: How long complaints take to be resolved, by month, channel and category.
key: [month, channel, category]
slice: month
inputs:
  telecoms.call_logs: strftime(requested_at, '%Y-%m')
  telecoms.social_media: strftime(requested_at, '%Y-%m')
  telecoms.web_forms: strftime(requested_at, '%Y-%m')
controls:
  - {result: sum(complaints) FILTER (WHERE channel = 'call'), input: telecoms.call_logs, equals: count(*)}
  - {result: sum(complaints) FILTER (WHERE channel = 'social'), input: telecoms.social_media, equals: count(*)}
  - {result: sum(complaints) FILTER (WHERE channel = 'web'), input: telecoms.web_forms, equals: count(*)}
load:
  - {to: snowflake, strategy: incremental}
*/
SELECT
    strftime(requested_at, '%Y-%m') AS month,
    channel,
    category,
    count(*) AS complaints,
    count(*) FILTER (WHERE status = 'resolved') AS resolved,
    -- A mean in whole hundredths, half of one up: avg gives a double, which may be a little less than the half it stands for.
    CAST(floor((sum(minutes) * 200 + count(minutes)) / (nullif(count(minutes), 0) * 2)) / 100 AS DECIMAL(12, 2)) AS minutes
FROM (
    SELECT *, CASE WHEN status = 'resolved' THEN date_diff('minute', requested_at, resolved_at) END AS minutes
    FROM (
        SELECT 'call' AS channel, call_id AS complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at
        FROM telecoms.call_logs
        UNION ALL
        SELECT 'social', complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.social_media
        UNION ALL
        SELECT 'web', request_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.web_forms
    )
)
GROUP BY ALL
