/*
description: Customers whose complaints are not resolved, the address as it is now.
on: snowflake
key: [customer_id]
inputs: {telecoms.complaints: all, telecoms.customers: all}
*/
SELECT
    customers.customer_id,
    customers.name,
    customers.email,
    customers.address,
    count(*) AS open_complaints,
    min(complaints.requested_at) AS waiting_since
FROM telecoms.complaints AS complaints
JOIN telecoms.customers AS customers ON customers.customer_id = complaints.customer_id AND customers.is_current
WHERE complaints.status <> 'resolved'
GROUP BY customers.customer_id, customers.name, customers.email, customers.address
