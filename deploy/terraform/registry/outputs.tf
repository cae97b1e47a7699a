# What GitHub's environment "build" has as variables; an environment of machines is given the last one.
output "AWS_ROLE" {
  value = module.build.arn
}

output "ECR_REPOSITORY" {
  value = aws_ecr_repository.service.name
}

output "ECR_REGISTRY" {
  value = split("/", aws_ecr_repository.service.repository_url)[0]
}

output "ecr_repository_arn" {
  value = aws_ecr_repository.service.arn
}
