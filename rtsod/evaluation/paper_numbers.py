"""What the U²-Net paper reports for the six data sets, to be shown beside your own numbers.

From the tables 3 and 4 of arXiv:2005.09007 (``figures/quan_1.png`` and ``quan_2.png`` of the authors' repository).
"""

from __future__ import annotations

from typing import Final

from rtsod.evaluation.catalogue import PAPER

METHODS: Final = ("U²-Net", "U²-Net-lite", "PoolNet", "BASNet", "CPD", "AFNet")
"""In the order of the columns below. The first two are the paper's own."""

_TABLES: Final = {
    "DUT-OMRON": """
        .823/.054/.757/.847/.702  .813/.060/.731/.837/.676  .808/.056/.729/.836/.675
        .805/.056/.751/.836/.694  .797/.056/.719/.825/.655  .797/.057/.717/.826/.635""",
    "DUTS-TE": """
        .873/.044/.804/.861/.765  .852/.054/.763/.847/.723  .880/.040/.807/.871/.765
        .860/.047/.803/.853/.758  .865/.043/.795/.858/.741  .862/.046/.785/.855/.714""",
    "HKU-IS": """
        .935/.031/.890/.916/.812  .928/.037/.867/.908/.794  .932/.033/.881/.917/.811
        .928/.032/.889/.909/.807  .925/.034/.875/.905/.795  .923/.036/.869/.905/.772""",
    "ECSSD": """
        .951/.033/.910/.928/.836  .943/.041/.885/.918/.808  .944/.039/.896/.921/.813
        .942/.037/.904/.916/.826  .939/.037/.898/.918/.811  .935/.042/.887/.914/.776""",
    "PASCAL-S": """
        .859/.074/.797/.844/.657  .849/.086/.768/.831/.627  .865/.075/.798/.832/.644
        .856/.076/.798/.838/.660  .861/.071/.800/.848/.639  .863/.070/.798/.849/.626""",
    "SOD": """
        .861/.108/.748/.786/.613  .841/.124/.697/.759/.559  .871/.102/.759/.797/.606
        .851/.113/.730/.769/.603  .860/.112/.714/.767/.556  .856/.111/.723/.774/–""",
}
"""maxF / MAE / wF / S / relaxF of each method; a dash is a number that the paper leaves out."""


def paper_numbers(data_set: str) -> dict[str, dict[str, float]] | None:
    """The paper's numbers of a data set.

    Args:
        data_set: its published name, as ``Dataset.name`` has it.

    Returns:
        For each of :data:`METHODS` its numbers by the keys of :data:`rtsod.evaluation.catalogue.PAPER`; None for a data
        set that is not in the paper.
    """
    table = _TABLES.get(data_set)
    if table is None:
        return None
    return {
        method: {
            metric.key: float(number) for metric, number in zip(PAPER, cell.split("/"), strict=True) if number != "–"
        }
        for method, cell in zip(METHODS, table.split(), strict=True)
    }
