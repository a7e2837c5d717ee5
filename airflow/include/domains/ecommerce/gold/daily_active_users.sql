/*
description: How many customers did or bought something each day.
key: [day]
slice: month
partition: [month]
inputs:
  ecommerce.transactions: purchased_on_month
  ecommerce.events: occurred_at_month
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT
    day,
    count(DISTINCT customer_id) AS active_users,
    count(DISTINCT customer_id) FILTER (bought) AS buyers,
    strftime(day, '%Y-%m') AS month
FROM (
    SELECT purchased_on AS day, customer_id, TRUE AS bought FROM ecommerce.transactions
    UNION ALL
    SELECT CAST(occurred_at AS DATE), customer_id, FALSE FROM ecommerce.events
)
GROUP BY day
