variable "region" {
  description = "AWS region"
  type        = string
}

variable "environment" {
  description = "Name of the environment, as GitHub has it"
  type        = string

  validation {
    condition     = contains(["staging", "production"], var.environment)
    error_message = "Environments are staging and production."
  }
}

variable "repository" {
  description = "GitHub repository that delivers, as owner/name"
  type        = string
}

variable "vpc_id" {
  description = "Network of the machines"
  type        = string
}

variable "machine_subnets" {
  description = "Private subnet of each machine, by the machine's name; they reach AWS, PostgreSQL and MLflow from there"
  type        = map(string)
}

variable "balancer_subnets" {
  description = "Subnets of the balancer"
  type        = list(string)
}

variable "client_cidrs" {
  description = "Who may ask the service"
  type        = list(string)
}

variable "certificate_arn" {
  description = "Certificate (ACM) of the balancer"
  type        = string
}

variable "instance_type" {
  description = "Of a machine, which runs two releases while one is swapped for the other"
  type        = string
  default     = "c7i.large"
}

variable "oidc_provider_arn" {
  description = "The account's identity provider token.actions.githubusercontent.com"
  type        = string
}

variable "ecr_repository_arn" {
  description = "Of the images (output of registry)"
  type        = string
}
