# What GitHub's environment of this name has as variables; the platform has the policy and the object store.
output "AWS_ROLE" {
  value = module.deliver.arn
}

output "platform_policy_arn" {
  value = aws_iam_policy.platform.arn
}

output "RELEASE_BUCKET" {
  value = aws_s3_bucket.this["releases"].id
}

output "HOUSING_OBJECT_STORE" {
  value = "s3://${aws_s3_bucket.this["data"].id}"
}

output "address" {
  value = aws_lb.service.dns_name
}
