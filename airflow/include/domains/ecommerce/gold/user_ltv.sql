/*
description: What each customer has bought since the first purchase (life-time value).
key: [customer_id]
slice: customer_id
inputs: {ecommerce.transactions: customer_id}
controls:
  - {result: sum(revenue), input: ecommerce.transactions, equals: sum(amount)}
  - {result: sum(purchases), input: ecommerce.transactions, equals: count(*)}
load:
  - {to: warehouse, strategy: incremental}
  - {to: duckdb, strategy: incremental}
  - {to: redshift, strategy: full}
*/
SELECT
    customer_id,
    min(purchased_on) AS first_purchased_on,
    max(purchased_on) AS last_purchased_on,
    count(*) AS purchases,
    CAST(sum(cds) AS BIGINT) AS cds,
    CAST(sum(amount) AS DECIMAL(14, 2)) AS revenue
FROM ecommerce.transactions
GROUP BY customer_id
