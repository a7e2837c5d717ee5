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
# Further options of `generate`, such as --namespace, or --env of an object store beside AWS.
OPTIONS =
REPOSITORY = $(if $(REGISTRY),$(REGISTRY)/)$(IMAGE)
GENERATE = $(PUBLISHER) generate --package-name $(PACKAGE) --image $(REPOSITORY) --image-tag $(DIGEST) --output $(DAGS) $(OPTIONS)
HERE = --bucket $(BUCKET) --environment $(ENVIRONMENT) --package-name $(PACKAGE)

build:
	docker build --tag $(REPOSITORY):$(VERSION) .

# The last line is the digest, by which DAGs name the image.
push:
	docker push --quiet $(REPOSITORY):$(VERSION)
	@docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' $(REPOSITORY):$(VERSION) | sed -n 's|^$(REPOSITORY)@||p'

validate:
	$(PUBLISHER) validate --package-name $(PACKAGE) --dag-file $(DAGS)

publish:
	$(PUBLISHER) publish $(HERE) --dag-path $(DAGS)

promote:
	$(PUBLISHER) promote $(HERE) --to $(TO)
