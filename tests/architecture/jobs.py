"""Declared jobs, their coroutines, the workers that run them, the rules that send them."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from .project import Function, Module, Project, Violation

DECORATOR = frozenset({"service.queue.job", "service.queue.declaration.job"})
RULE = frozenset({"service.queue.Rule", "service.queue.rules.Rule"})
RUN = frozenset({"workers.engine.run", "workers.engine.functions.run"})
NO_SILENT_LOSS = "a job without its other half would wait for ever, or fail at its first run"


@dataclass(frozen=True, slots=True)
class Declaration:
    """One `@job(...)` of a domain's jobs.py."""

    module: Module
    stub: Function
    name: str
    queue: str
    coroutine: str

    @property
    def path(self) -> str:
        """The dotted path of the declaration itself."""
        return f"{self.module.name}.{self.stub.name}"

    def violation(self, what: str) -> Violation:
        """Say what is wrong with this job."""
        return self.module.violation(self.stub.lineno, f"{self.name}: {what}", NO_SILENT_LOSS)


def declarations(project: Project) -> Iterator[Declaration]:
    """Yield every declared job."""
    for module in project.product:
        for function in module.functions():
            for decorator in function.decorator_list:
                if isinstance(decorator, ast.Call) and module.resolve(decorator.func) in DECORATOR:
                    yield _declaration(module, function, decorator)


def _declaration(module: Module, stub: Function, decorator: ast.Call) -> Declaration:
    values = {keyword.arg: keyword.value for keyword in decorator.keywords}
    return Declaration(
        module,
        stub,
        name=_text(decorator.args[0]),
        queue=_queue(values["queue"]),
        coroutine=_text(values["coroutine"]),
    )


def _text(node: ast.expr) -> str:
    return str(node.value) if isinstance(node, ast.Constant) else ast.unparse(node)


def _queue(node: ast.expr) -> str:
    """Return the queue's name, of `"media"` or of `Queue.MEDIA`."""
    return node.attr.lower() if isinstance(node, ast.Attribute) else _text(node)


def check_coroutines(project: Project) -> Iterator[Violation]:
    """Yield declared jobs whose coroutine is missing or takes other arguments."""
    defined = {
        f"{module.name}.{node.name}": node
        for module in project.product
        for node in module.tree.body
        if isinstance(node, Function)
    }
    for job in declarations(project):
        coroutine = defined.get(job.coroutine)
        if not isinstance(coroutine, ast.AsyncFunctionDef):
            yield job.violation(f"there is no coroutine {job.coroutine}")
            continue
        wanted, found = _signature(job.stub, skip=0), _signature(coroutine, skip=1)
        if wanted != found:
            yield job.violation(f"declared {wanted}, but {job.coroutine} after ctx is {found}")


def _signature(function: Function, skip: int) -> str:
    """Write a signature without its first parameters."""
    arguments = function.args
    kept = ast.arguments(
        posonlyargs=arguments.posonlyargs,
        args=arguments.args[skip:],
        vararg=arguments.vararg,
        kwonlyargs=arguments.kwonlyargs,
        kw_defaults=arguments.kw_defaults,
        kwarg=arguments.kwarg,
        defaults=arguments.defaults,
    )
    returns = ast.unparse(function.returns) if function.returns else "?"
    return f"({ast.unparse(kept)}) -> {returns}"


def check_registered(project: Project) -> Iterator[Violation]:
    """Yield what a WorkerSettings runs undeclared, and declared jobs that no worker runs."""
    by_path = {job.path: job for job in declarations(project)}
    registered = set()
    for module, entry in _registrations(project):
        pair = _run_pair(module, entry)
        job = by_path.get(pair[0]) if pair else None
        if pair is None or job is None:
            what = f"{ast.unparse(entry)} is not run(declared job, coroutine)"
            yield module.violation(entry.lineno, what, "names, limits and history are declared")
        elif pair[1] != job.coroutine:
            yield job.violation(f"{module.path} runs {pair[1]}, declared is {job.coroutine}")
        else:
            registered.add((job.name, module.name.rpartition(".")[2]))
    for job in by_path.values():
        if (job.name, job.queue) not in registered:
            yield job.violation(f"WorkerSettings of workers/{job.queue}.py does not run it")


def _registrations(project: Project) -> Iterator[tuple[Module, ast.expr]]:
    """Yield the entries of `functions` of every WorkerSettings."""
    for module in project.product:
        for statement in _settings(module):
            if isinstance(statement, ast.Assign) and _assigns(statement, "functions"):
                assert isinstance(statement.value, ast.Tuple | ast.List), module.path
                yield from ((module, entry) for entry in statement.value.elts)


def _settings(module: Module) -> Iterator[ast.stmt]:
    for node in module.tree.body:
        if isinstance(node, ast.ClassDef) and node.name == "WorkerSettings":
            yield from node.body


def _assigns(statement: ast.Assign, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for t in statement.targets)


def _run_pair(module: Module, entry: ast.expr) -> tuple[str, str] | None:
    """Return the two dotted names of `run(declared, coroutine)`."""
    match entry:
        case ast.Call(func=function, args=[declared, coroutine]):
            if module.resolve(function) in RUN:
                return module.resolve(declared), module.resolve(coroutine)
    return None


def check_periodic(project: Project) -> Iterator[Violation]:
    """Yield periodic rules that name no declared job, or one that needs arguments."""
    by_name = {job.name: job for job in declarations(project)}
    for module, call in _rules(project):
        name = _text(call.args[0] if call.args else call.keywords[0].value)
        job = by_name.get(name)
        if job is None:
            what = f"the rule names '{name}', which is not declared"
            yield module.violation(call.lineno, what, NO_SILENT_LOSS)
        elif _needs_arguments(job.stub) and not _gives_arguments(call):
            what = f"the rule names '{name}', which needs arguments"
            yield module.violation(call.lineno, what, "give them by arguments=")


def _needs_arguments(stub: Function) -> bool:
    given = stub.args
    return len(given.args) > len(given.defaults) or None in given.kw_defaults


def _gives_arguments(rule: ast.Call) -> bool:
    return any(keyword.arg == "arguments" for keyword in rule.keywords)


def _rules(project: Project) -> Iterator[tuple[Module, ast.Call]]:
    for module in project.product:
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Call) and module.resolve(node.func) in RULE:
                yield module, node
