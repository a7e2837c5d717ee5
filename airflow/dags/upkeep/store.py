"""What keeps the object store small, as DAGs of Airflow beside the hops: `watershed_compact`, `watershed_retention`.

`watershed_compact` joins the small files of every table of the lake; a hop that commits meanwhile wins.
`watershed_retention` removes what attempts that lost their hop have written, and table files that no consumer reads any
more, both only after `WATERSHED_RETENTION_HOURS`. Neither changes what a reader sees; when one fails, nothing is lost
and the next run does the rest.
"""

from common.dags.stages import upkeep

upkeep("watershed_compact", "17 * * * *", "compact")
upkeep("watershed_retention", "47 3 * * *", "retain")
