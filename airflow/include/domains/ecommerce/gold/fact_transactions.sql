/*
description: One row a purchase; file and record say where it came from.
key: [file, record]
slice: month
partition: [month]
inputs: {ecommerce.transactions: purchased_on_month}
controls:
  - {result: count(*), input: ecommerce.transactions, equals: count(*)}
  - {result: sum(amount), input: ecommerce.transactions, equals: sum(amount)}
  - {result: sum(cds), input: ecommerce.transactions, equals: sum(cds)}
load:
  - {to: warehouse, strategy: incremental}
  - {to: duckdb, strategy: incremental}
*/
SELECT
    _file AS file,
    _record AS record,
    customer_id,
    purchased_on,
    cds,
    amount,
    purchased_on_month AS month
FROM ecommerce.transactions
