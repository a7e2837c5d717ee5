/*
description: One stream of complaints over all channels.
key: [complaint_id]
slice: month
partition: [month]
inputs:
  telecoms.call_logs: strftime(requested_at, '%Y-%m')
  telecoms.social_media: strftime(requested_at, '%Y-%m')
  telecoms.web_forms: strftime(requested_at, '%Y-%m')
controls:
  - {result: count(*) FILTER (WHERE channel = 'call'), input: telecoms.call_logs, equals: count(*)}
  - {result: count(*) FILTER (WHERE channel = 'social'), input: telecoms.social_media, equals: count(*)}
  - {result: count(*) FILTER (WHERE channel = 'web'), input: telecoms.web_forms, equals: count(*)}
load:
  - {to: snowflake, strategy: incremental}
*/
SELECT *, CAST(date_diff('minute', requested_at, resolved_at) AS BIGINT) AS minutes, strftime(requested_at, '%Y-%m') AS month
FROM (
    SELECT 'call' AS channel, call_id AS complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at
    FROM telecoms.call_logs
    UNION ALL
    SELECT 'social', complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.social_media
    UNION ALL
    SELECT 'web', request_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.web_forms
)
