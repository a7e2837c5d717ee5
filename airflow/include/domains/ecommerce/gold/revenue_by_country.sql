/*
description: What was sold each month to customers of each country, as their accounts stand now.
key: [month, country]
slice: month
partition: [month]
inputs:
  ecommerce.transactions: purchased_on_month
  ecommerce.users: {all: true, by: {customer_id: [customer_id]}}
controls:
  - {result: sum(revenue), input: ecommerce.transactions, equals: sum(amount)}
  - {result: sum(purchases), input: ecommerce.transactions, equals: count(*)}
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT
    purchased_on_month AS month,
    coalesce(country, 'unknown') AS country,
    count(*) AS purchases,
    CAST(sum(amount) AS DECIMAL(14, 2)) AS revenue
FROM ecommerce.transactions
LEFT JOIN ecommerce.users USING (customer_id)
GROUP BY ALL
