/*
description: One row a day on which something was bought or done, with the parts of its date.
key: [day]
slice: day
inputs:
  ecommerce.transactions: purchased_on
  ecommerce.events: CAST(occurred_at AS DATE)
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT
    day,
    year(day) AS year,
    quarter(day) AS quarter,
    month(day) AS month,
    strftime(day, '%B') AS month_name,
    isodow(day) AS weekday,
    strftime(day, '%A') AS weekday_name,
    isodow(day) >= 6 AS is_weekend
FROM (
    SELECT purchased_on AS day FROM ecommerce.transactions
    UNION
    SELECT CAST(occurred_at AS DATE) FROM ecommerce.events
)
