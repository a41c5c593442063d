"""AIM as dpmm has it, with dpmm's defaults and the 80 MB of model that AIM's authors ask of a comparison."""

from dpmm.pipelines import AIMPipeline
from dpmm_pipeline import fit_and_sample
from runner import main

if __name__ == "__main__":
    main(lambda table, given: fit_and_sample(AIMPipeline, table, given, max_model_size=80))
