/*
description: Each customer as of now, with what he or she has complained of.
key: [customer_id]
slice: customer_id
inputs:
  telecoms.customers: customer_id
  telecoms.call_logs: customer_id
  telecoms.social_media: customer_id
  telecoms.web_forms: customer_id
load:
  - {to: snowflake, strategy: full}
*/
WITH complaints AS (
    SELECT 'call' AS channel, call_id AS complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at
    FROM telecoms.call_logs
    UNION ALL
    SELECT 'social', complaint_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.social_media
    UNION ALL
    SELECT 'web', request_id, customer_id, agent_id, category, status, requested_at, resolved_at FROM telecoms.web_forms
)
SELECT
    customer_id,
    any_value(name) AS name,
    any_value(email) AS email,
    any_value(signed_up_on) AS signed_up_on,
    count(complaint_id) AS complaints,
    count(complaint_id) FILTER (WHERE channel = 'call') AS calls,
    count(complaint_id) FILTER (WHERE channel = 'social') AS posts,
    count(complaint_id) FILTER (WHERE channel = 'web') AS forms,
    count(complaint_id) FILTER (WHERE status <> 'resolved') AS open_complaints,
    max(requested_at) AS last_complained_at
FROM telecoms.customers LEFT JOIN complaints USING (customer_id)
GROUP BY customer_id
