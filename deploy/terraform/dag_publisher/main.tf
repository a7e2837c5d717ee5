# The bucket of DAG releases, and who may do what in it: a package writes below its own prefix, Airflow only reads.
terraform {
  required_version = ">= 1.5"
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.0"
    }
  }
}

locals {
  grants = {
    for pair in setproduct(var.packages, var.environments) :
    "${pair[0]}-${pair[1]}" => { package = pair[0], environment = pair[1] }
  }
  bucket_arn = aws_s3_bucket.releases.arn
}

resource "aws_s3_bucket" "releases" {
  bucket = var.bucket
}

# A pointer that is lost or overwritten by hand is still there as a version.
resource "aws_s3_bucket_versioning" "releases" {
  bucket = aws_s3_bucket.releases.id
  versioning_configuration {
    status = "Enabled"
  }
}

resource "aws_s3_bucket_public_access_block" "releases" {
  bucket                  = aws_s3_bucket.releases.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

# Publishers read all pointers of their environment, since an id belongs to one package; they write their own prefix.
data "aws_iam_policy_document" "publisher" {
  for_each = local.grants

  statement {
    sid       = "ListTheEnvironment"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${each.value.environment}/", "${each.value.environment}/${each.value.package}/*"]
    }
  }

  statement {
    sid       = "ReadEveryPointer"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${each.value.environment}/*/current.json"]
  }

  statement {
    sid       = "WriteItsOwnPrefix"
    actions   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
    resources = ["${local.bucket_arn}/${each.value.environment}/${each.value.package}/*"]
  }

  # `promote` reads the release of the environment before.
  statement {
    sid       = "ReadItselfInOtherEnvironments"
    actions   = ["s3:GetObject"]
    resources = [for environment in var.environments : "${local.bucket_arn}/${environment}/${each.value.package}/*"]
  }
}

resource "aws_iam_policy" "publisher" {
  for_each = local.grants

  name   = "dag-publisher-${each.key}"
  policy = data.aws_iam_policy_document.publisher[each.key].json
}

# Scheduler, dag-processor, workers, triggerer and sidecars of one environment.
data "aws_iam_policy_document" "reader" {
  for_each = var.environments

  statement {
    sid       = "ListTheEnvironment"
    actions   = ["s3:ListBucket"]
    resources = [local.bucket_arn]
    condition {
      test     = "StringLike"
      variable = "s3:prefix"
      values   = ["${each.value}/*"]
    }
  }

  statement {
    sid       = "ReadTheEnvironment"
    actions   = ["s3:GetObject"]
    resources = ["${local.bucket_arn}/${each.value}/*"]
  }
}

resource "aws_iam_policy" "reader" {
  for_each = var.environments

  name   = "dag-releases-reader-${each.value}"
  policy = data.aws_iam_policy_document.reader[each.value].json
}
