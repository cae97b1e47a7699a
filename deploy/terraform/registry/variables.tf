variable "region" {
  description = "AWS region"
  type        = string
}

variable "repository" {
  description = "GitHub repository that delivers, as owner/name"
  type        = string
}

variable "oidc_provider_arn" {
  description = "The account's identity provider token.actions.githubusercontent.com"
  type        = string
}
