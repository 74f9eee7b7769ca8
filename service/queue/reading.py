"""Calls of jobs by name, as people and rows give them: arguments as JSON has them."""

from collections.abc import Mapping

import msgspec

from service.errors import InvalidInput, Problem
from service.queue.call import JobCall
from service.queue.declaration import declared


def job_call(name: str, arguments: Mapping[str, object]) -> JobCall:
    """Return the call of a declared job, its arguments read as their declared types.

    Raises:
        InvalidInput: the job is unknown, or an argument is missing, unknown or of another type.
    """
    job = declared().get(name)
    if job is None:
        known = ", ".join(sorted(declared()))
        raise InvalidInput([Problem("name", f"'{name}' is unknown; known: {known}")])
    problems = [
        Problem(key, f"is unknown; {name} takes: {', '.join(job.parameters) or 'nothing'}")
        for key in arguments.keys() - job.parameters.keys()
    ]
    values = {}
    for key, decoder in job.parameters.items():
        try:
            if key in arguments:
                values[key] = decoder.decode(msgspec.json.encode(arguments[key]))
        except msgspec.ValidationError as error:
            problems.append(Problem(key, str(error)))
    if problems:
        raise InvalidInput(problems)
    try:
        return job(**values)
    except TypeError as error:
        raise InvalidInput([Problem("arguments", str(error))]) from error
