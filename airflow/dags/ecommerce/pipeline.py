"""The e-commerce domain of Watershed on Airflow: every DAG from the raw files of the shop to its warehouse tables.

`ecommerce_raw_to_bronze` takes what lands, `ecommerce_<dataset>_to_silver` refines it, `ecommerce_gold` computes
dimensions, facts and marts, `ecommerce_load` carries them into the warehouses, and `ecommerce_master` runs all of
them in strict order on demand. Contracts (`include/domains/ecommerce/contracts`) and models (`.../gold`) say what
there is; a new dataset or table needs no change here.
"""

from common.dags.stages import domain_dags

domain_dags("ecommerce")
