/*
description: One row an event of the web shop.
key: [event_id]
slice: month
partition: [month]
inputs: {ecommerce.events: occurred_at_month}
controls:
  - {result: count(*), input: ecommerce.events, equals: count(*)}
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT event_id, customer_id, kind, page, occurred_at, occurred_at_month AS month
FROM ecommerce.events
