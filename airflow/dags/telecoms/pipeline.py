"""The telecoms domain of Watershed on Airflow: every DAG from the call centre's systems to marts in Snowflake.

`telecoms_agents_ingest` and `telecoms_web_forms_ingest` fetch a sheet and a table a day, `telecoms_raw_to_bronze`
takes what lands, `telecoms_<dataset>_to_silver` refines it, `telecoms_gold` computes one stream of complaints and what
follows from it, `telecoms_load` carries them into Snowflake, `telecoms_transform` computes marts there, and
`telecoms_master` runs all of them in strict order on demand. Contracts (`include/domains/telecoms/contracts`) and
models (`.../gold`) say what there is; a new dataset or table needs no change here.
"""

from common.dags.stages import domain_dags

domain_dags("telecoms")
