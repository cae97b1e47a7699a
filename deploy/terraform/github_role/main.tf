# A role that a workflow assumes by its GitHub environment, without a key that could be stolen.
variable "name" {
  description = "Of the role"
  type        = string
}

variable "environment" {
  description = "GitHub environment whose jobs may assume it"
  type        = string
}

variable "repository" {
  description = "GitHub repository, as owner/name"
  type        = string
}

variable "oidc_provider_arn" {
  description = "The account's identity provider token.actions.githubusercontent.com"
  type        = string
}

variable "policy" {
  description = "What it may do, as JSON"
  type        = string
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [var.oidc_provider_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.repository}:environment:${var.environment}"]
    }
  }
}

resource "aws_iam_role" "this" {
  name               = var.name
  assume_role_policy = data.aws_iam_policy_document.trust.json
}

resource "aws_iam_role_policy" "this" {
  name   = var.name
  role   = aws_iam_role.this.id
  policy = var.policy
}

output "arn" {
  value = aws_iam_role.this.arn
}
