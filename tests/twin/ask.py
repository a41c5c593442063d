"""Runs dbt commands, each in a project's folder, in one process of dbt's own Python: questions and answers are JSON."""

import json
import os
import sys

from dbt.cli.main import dbtRunner


def main(questions: str, answers: str) -> None:
    with open(questions) as file:
        asked = json.load(file)
    parsed, said = {}, []
    for folder, arguments in asked:
        os.chdir(folder)
        if folder not in parsed:
            parsed[folder] = dbtRunner().invoke(["--quiet", "parse"]).result
        done = dbtRunner(manifest=parsed[folder]).invoke(["--quiet", *arguments])
        said.append(done.result if isinstance(done.result, list) else str(done.exception))
    with open(answers, "w") as file:
        json.dump(said, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
