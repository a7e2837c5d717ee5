# Steps of a package's pipeline; its Makefile names PACKAGE and has the target `dags`, which needs DIGEST.
.POSIX:
.PHONY: build push dags validate publish promote
PUBLISHER = airflow-dag-publisher
IMAGE = $(PACKAGE)
REGISTRY =
VERSION = dev
ENVIRONMENT = dev
BUCKET =
DIGEST =
DAGS = airflow_dags
REPOSITORY = $(if $(REGISTRY),$(REGISTRY)/)$(IMAGE)
GENERATE = $(PUBLISHER) generate --package-name $(PACKAGE) --image $(REPOSITORY) --image-tag $(DIGEST) --output $(DAGS)
HERE = --bucket $(BUCKET) --environment $(ENVIRONMENT) --package-name $(PACKAGE)

build:
	docker build --tag $(REPOSITORY):$(VERSION) .

# The last line is the digest, by which DAGs name the image.
push:
	docker push --quiet $(REPOSITORY):$(VERSION)
	@docker inspect --format '{{index .RepoDigests 0}}' $(REPOSITORY):$(VERSION) | sed 's/.*@//'

validate:
	$(PUBLISHER) validate --package-name $(PACKAGE) --dag-file airflow_dags

publish:
	$(PUBLISHER) publish $(HERE) --dag-path airflow_dags

promote:
	$(PUBLISHER) promote $(HERE) --to $(TO)
