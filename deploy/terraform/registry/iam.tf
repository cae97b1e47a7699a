# The build pushes images and reads what the registry finds in them.
data "aws_iam_policy_document" "build" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"] # has no resource
    resources = ["*"]
  }

  statement {
    actions = [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:CompleteLayerUpload",
      "ecr:DescribeImageScanFindings",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:PutImage",
      "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.service.arn]
  }
}

module "build" {
  source            = "../github_role"
  name              = "housing-build"
  environment       = "build"
  repository        = var.repository
  oidc_provider_arn = var.oidc_provider_arn
  policy            = data.aws_iam_policy_document.build.json
}
