/*
description: One row a country, with how many customers have an account there.
key: [country]
slice: country
inputs: {ecommerce.users: country}
controls:
  - {result: sum(customers), input: ecommerce.users, equals: count(*)}
load:
  - {to: warehouse, strategy: full}
*/
SELECT country, count(*) AS customers, min(signed_up_on) AS first_signed_up_on
FROM ecommerce.users
GROUP BY country
