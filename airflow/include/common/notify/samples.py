"""Messages to try templates with: a full one of each state, a bare one, and one whose texts are markup."""

from common.notify.message import Message, Severity, State

FULL = Message(
    title="Failed: shop_sales_to_silver.sales",
    facts=(("DAG", "shop_sales_to_silver"), ("Task", "sales"), ("Run", "scheduled__2026-03-01"), ("Try", "5")),
    error="UnreadableFile: line 7: 'twelve' is no number",
    advice="`watershed parked show 5f1c`, then release or refuse it",
    link="http://localhost:8080/dags/shop_sales_to_silver/runs/1/tasks/sales",
    key="shop.sales/parked",
    delivery="0f2c",
)
MARKUP = '"</b>& {{ x }} {% x %} \\ ``` <!channel> *a* _b_ [c](d)\n\té 👩‍🚀'
SAMPLES = (
    *(Message.from_json({**FULL.json, "state": state, "severity": Severity.ERROR}) for state in State),
    *(Message.from_json({**FULL.json, "severity": severity}) for severity in Severity),
    Message("Report", State.REPORT, Severity.INFO, text="1,000 rows"),
    Message(MARKUP, facts=((MARKUP, MARKUP),), error=MARKUP, advice=MARKUP, link=MARKUP, delivery="d", text=MARKUP),
)
