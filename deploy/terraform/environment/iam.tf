# Who may do what.
# A delivery verifies a signature, leaves its files in the bucket, and has machines of its environment run them.
data "aws_iam_policy_document" "deliver" {
  statement {
    actions   = ["ecr:GetAuthorizationToken", "ec2:DescribeInstances", "ssm:ListCommands", "ssm:GetCommandInvocation"]
    resources = ["*"] # have no resource
  }

  statement {
    actions   = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.ecr_repository_arn]
  }

  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.this["releases"].arn}/releases/*"]
  }

  statement {
    actions   = ["ssm:SendCommand"]
    resources = ["arn:${data.aws_partition.current.partition}:ssm:${var.region}::document/AWS-RunShellScript"]
  }

  statement {
    actions   = ["ssm:SendCommand"]
    resources = ["arn:${data.aws_partition.current.partition}:ec2:${var.region}:${data.aws_caller_identity.current.account_id}:instance/*"]

    condition {
      test     = "StringEquals"
      variable = "ssm:resourceTag/housing-environment"
      values   = [var.environment]
    }
  }
}

# What trains reads and writes what the platform keeps.
data "aws_iam_policy_document" "platform" {
  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["data"].arn]
  }

  statement {
    actions   = ["s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
    resources = ["${aws_s3_bucket.this["data"].arn}/*"]
  }
}

module "deliver" {
  source            = "../github_role"
  name              = "housing-${var.environment}-deliver"
  environment       = var.environment
  repository        = var.repository
  oidc_provider_arn = var.oidc_provider_arn
  policy            = data.aws_iam_policy_document.deliver.json
}

resource "aws_iam_policy" "platform" {
  name        = "housing-${var.environment}-platform"
  description = "For the role that the platform's daemon and code location have, in a cluster or on a machine"
  policy      = data.aws_iam_policy_document.platform.json
}

# A machine pulls images, fetches what a delivery has left for it, and reads its own two parameters.
data "aws_iam_policy_document" "machine_trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ec2.amazonaws.com"]
    }
  }
}

data "aws_iam_policy_document" "machine" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"] # has no resource
    resources = ["*"]
  }

  statement {
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [var.ecr_repository_arn]
  }

  statement {
    actions   = ["s3:GetObject"]
    resources = ["${aws_s3_bucket.this["releases"].arn}/releases/*"]
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.this["releases"].arn]

    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["releases/*"]
    }
  }

  statement {
    actions = ["ssm:GetParameter"]
    resources = [
      for file in ["service.env", "release.env"] :
      "arn:${data.aws_partition.current.partition}:ssm:${var.region}:${data.aws_caller_identity.current.account_id}:parameter/housing/${var.environment}/${file}"
    ]
  }
}

resource "aws_iam_role" "machine" {
  name               = "housing-${var.environment}-machine"
  assume_role_policy = data.aws_iam_policy_document.machine_trust.json
}

resource "aws_iam_role_policy" "machine" {
  name   = "machine"
  role   = aws_iam_role.machine.id
  policy = data.aws_iam_policy_document.machine.json
}

resource "aws_iam_role_policy_attachment" "managed" {
  role       = aws_iam_role.machine.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/AmazonSSMManagedInstanceCore"
}

resource "aws_iam_instance_profile" "machine" {
  name = "housing-${var.environment}-machine"
  role = aws_iam_role.machine.name
}
