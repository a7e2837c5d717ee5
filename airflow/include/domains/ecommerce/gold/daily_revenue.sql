/*
description: What was sold each day.
key: [day]
slice: month
partition: [month]
inputs: {ecommerce.transactions: purchased_on_month}
controls:
  - {result: sum(revenue), input: ecommerce.transactions, equals: sum(amount)}
  - {result: sum(purchases), input: ecommerce.transactions, equals: count(*)}
  - {result: sum(cds), input: ecommerce.transactions, equals: sum(cds)}
load:
  - {to: warehouse, strategy: incremental}
  - {to: duckdb, strategy: full}
  - {to: redshift, strategy: incremental}
*/
SELECT
    purchased_on AS day,
    count(*) AS purchases,
    count(DISTINCT customer_id) AS customers,
    CAST(sum(cds) AS BIGINT) AS cds,
    CAST(sum(amount) AS DECIMAL(14, 2)) AS revenue,
    purchased_on_month AS month
FROM ecommerce.transactions
GROUP BY purchased_on, purchased_on_month
