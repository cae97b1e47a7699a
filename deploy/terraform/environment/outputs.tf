# What GitHub's environments of this name, and "training", have as variables.
output "AWS_ROLE" {
  value = { (var.environment) = module.deliver.arn, training = module.train.arn }
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
