"""The one door to great_expectations. Importing this module takes seconds: import it late.

It asks great_expectations for no data, no context and no store, so nothing is written outside the pages we write, and
its analytics are off.
"""

from __future__ import annotations

import os
import warnings

os.environ["GX_ANALYTICS_ENABLED"] = "false"  # read once, when great_expectations is imported
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports deprecated modules of the standard library
    import great_expectations
    from great_expectations.core.expectation_suite import ExpectationSuite
    from great_expectations.core.expectation_validation_result import (
        ExpectationSuiteValidationResult,
        ExpectationValidationResult,
    )
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration
    from great_expectations.expectations.metadata_types import FailureSeverity
    from great_expectations.expectations.registry import get_renderer_impl
    from great_expectations.render.components import (
        CollapseContent,
        LegacyRendererType,
        RenderedDocumentContent,
        RenderedTableContent,
    )
    from great_expectations.render.renderer.content_block.validation_results_table_content_block import (
        ValidationResultsTableContentBlockRenderer,
    )
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

VERSION: str = great_expectations.__version__

__all__ = [
    "VERSION",
    "CollapseContent",
    "DefaultJinjaPageView",
    "ExpectationConfiguration",
    "ExpectationSuite",
    "ExpectationSuiteValidationResult",
    "ExpectationValidationResult",
    "FailureSeverity",
    "LegacyRendererType",
    "RenderedDocumentContent",
    "RenderedTableContent",
    "ValidationResultsPageRenderer",
    "ValidationResultsTableContentBlockRenderer",
    "get_renderer_impl",
]
