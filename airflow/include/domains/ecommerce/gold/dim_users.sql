/*
description: One row a customer who has an account, as the account stands now.
key: [customer_id]
slice: customer_id
inputs: {ecommerce.users: customer_id}
controls:
  - {result: count(*), input: ecommerce.users, equals: count(*)}
load:
  - {to: warehouse, strategy: incremental}
*/
SELECT customer_id, name, email, country, signed_up_on, updated_at
FROM ecommerce.users
