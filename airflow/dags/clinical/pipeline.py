"""The clinical domain of Watershed on Airflow: every DAG from the forms that sites hand over to Veeva CDMS.

`clinical_raw_to_bronze` takes what lands, `clinical_<form>_to_silver` refines it, `clinical_to_veeva` delivers forms
study by study, none of which waits for another, and `clinical_master` runs all of them in strict order on demand.
Contracts (`include/domains/clinical/contracts`) say what there is; a new study is a value of their `study` column, a
new form a contract, and neither needs a change here.
"""

from common.dags.stages import domain_dags

domain_dags("clinical")
