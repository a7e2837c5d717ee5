variable "bucket" {
  description = "Name of the bucket that holds the releases of all environments."
  type        = string
}

variable "packages" {
  description = "Packages that publish; lower-case words joined by single underscores."
  type        = set(string)

  validation {
    condition     = alltrue([for name in var.packages : can(regex("^[a-z][a-z0-9]*(_[a-z0-9]+)*$", name)) && length(name) <= 40])
    error_message = "A package's name is of lower-case words joined by single underscores, at most 40 characters."
  }
}

variable "environments" {
  description = "Environments, each a prefix of the bucket."
  type        = set(string)
  default     = ["dev", "staging", "prod"]
}
