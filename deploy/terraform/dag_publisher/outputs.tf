output "publisher_policies" {
  description = "Policy of each package and environment: attach it to the role that the package's CI assumes."
  value       = { for key, policy in aws_iam_policy.publisher : key => policy.arn }
}

output "reader_policies" {
  description = "Policy of each environment: attach it to the roles of Airflow's components."
  value       = { for key, policy in aws_iam_policy.reader : key => policy.arn }
}
