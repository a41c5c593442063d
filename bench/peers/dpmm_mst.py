"""MST as dpmm has it, with dpmm's defaults."""

from dpmm.pipelines import MSTPipeline
from dpmm_pipeline import fit_and_sample
from runner import main

if __name__ == "__main__":
    main(lambda table, given: fit_and_sample(MSTPipeline, table, given))
