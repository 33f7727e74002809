"""Blueprints: parts of an application, recorded now and registered later.

A blueprint notes what is done to it and does it again on the application that it is registered on,
with prefixes: the URL prefix before its rules, its name before its endpoints. It can be registered
more than once, under different names, and on another blueprint.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar

from .scaffold import Scaffold, _endpoint_from_view_func, setupmethod
from .typing import ErrorHandlerCallable, RouteCallable

if TYPE_CHECKING:
    from .app import Flask

F = TypeVar("F", bound=Callable[..., Any])
DeferredSetupFunction = Callable[["BlueprintSetupState"], None]


class BlueprintSetupState:
    """One registration of a blueprint on an application; recorded functions get it.

    :param options: of `register_blueprint`; they override those of the blueprint.
    :param first_registration: whether the blueprint was not on the application before.
    """

    def __init__(
        self,
        blueprint: Blueprint,
        app: Flask,
        options: dict[str, Any],
        first_registration: bool,
    ) -> None:
        self.app = app
        self.blueprint = blueprint
        self.options = options
        self.first_registration = first_registration
        subdomain = options.get("subdomain")
        self.subdomain: str | None = blueprint.subdomain if subdomain is None else subdomain
        url_prefix = options.get("url_prefix")
        self.url_prefix: str | None = blueprint.url_prefix if url_prefix is None else url_prefix
        self.name: str = options.get("name", blueprint.name)
        self.name_prefix: str = options.get("name_prefix", "")
        self.url_defaults = {**blueprint.url_values_defaults, **options.get("url_defaults", {})}

    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        **options: Any,
    ) -> None:
        """Add a rule to the application, with the prefixes of this registration."""
        if self.url_prefix is not None:
            prefix = self.url_prefix
            rule = f"{prefix.rstrip('/')}/{rule.lstrip('/')}" if rule else prefix
        options.setdefault("subdomain", self.subdomain)
        if endpoint is None:
            endpoint = _endpoint_from_view_func(view_func)
        defaults = {**self.url_defaults, **options.pop("defaults", {})}
        self.app.add_url_rule(
            rule,
            f"{self.name_prefix}.{self.name}.{endpoint}".lstrip("."),
            view_func,
            defaults=defaults,
            **options,
        )


class Blueprint(Scaffold):
    """A part of an application.

    :param name: goes before its endpoints; no dot in it.
    :param import_name: as for `Flask`; so are the folders.
    :param url_prefix: goes before its rules.
    :param subdomain: of its rules.
    :param url_defaults: values for its rules.
    :param cli_group: accepted as Flask does, and without effect.
    """

    _got_registered_once = False

    def __init__(
        self,
        name: str,
        import_name: str,
        static_folder: str | os.PathLike[str] | None = None,
        static_url_path: str | None = None,
        template_folder: str | os.PathLike[str] | None = None,
        url_prefix: str | None = None,
        subdomain: str | None = None,
        url_defaults: dict[str, Any] | None = None,
        root_path: str | None = None,
        cli_group: str | None = None,
    ) -> None:
        super().__init__(import_name, static_folder, static_url_path, template_folder, root_path)
        if not name:
            raise ValueError("'name' may not be empty: endpoints of a blueprint start with it.")
        if "." in name:
            raise ValueError(
                f"'name' may not contain a dot '.' character, got {name!r}: the dot separates"
                " blueprint and endpoint."
            )
        self.name = name
        self.url_prefix = url_prefix
        self.subdomain = subdomain
        self.url_values_defaults = url_defaults or {}
        self.deferred_functions: list[DeferredSetupFunction] = []
        self._blueprints: list[tuple[Blueprint, dict[str, Any]]] = []

    def _check_setup_finished(self, f_name: str) -> None:
        if self._got_registered_once:
            raise AssertionError(
                f"The setup method '{f_name}' can no longer be called on the blueprint"
                f" '{self.name}'. It has already been registered, and what you add now would not"
                " reach the application. Set blueprints up, imports included, before registering"
                " them."
            )

    @setupmethod
    def record(self, func: DeferredSetupFunction) -> None:
        """Have a function called at each registration."""
        self.deferred_functions.append(func)

    @setupmethod
    def record_once(self, func: DeferredSetupFunction) -> None:
        """Have a function called at the first registration on an application."""

        def wrapper(state: BlueprintSetupState) -> None:
            if state.first_registration:
                func(state)

        self.record(update_wrapper(wrapper, func))

    def make_setup_state(
        self, app: Flask, options: dict[str, Any], first_registration: bool = False
    ) -> BlueprintSetupState:
        """The state of a registration; for subclasses."""
        return BlueprintSetupState(self, app, options, first_registration)

    @setupmethod
    def register_blueprint(self, blueprint: Blueprint, **options: Any) -> None:
        """Register a blueprint on this one; options override its own.

        :raises ValueError: if it is this one.
        """
        if blueprint is self:
            raise ValueError(f"Cannot register a blueprint on itself: {blueprint!r}.")
        self._blueprints.append((blueprint, options))

    def register(self, app: Flask, options: dict[str, Any]) -> None:
        """Do what was recorded on an application; called by `Flask.register_blueprint`.

        :raises ValueError: if the name is taken.
        """
        own_name = options.get("name", self.name)
        name = f"{options.get('name_prefix', '')}.{own_name}".lstrip(".")
        if name in app.blueprints:
            whose = "this" if app.blueprints[name] is self else "a different"
            raise ValueError(
                f"The name '{own_name}' is already registered for {whose} blueprint"
                f" ('{name}'). Use 'name=' to provide a unique name."
            )
        first = all(blueprint is not self for blueprint in app.blueprints.values())
        app.blueprints[name] = self
        self._got_registered_once = True
        state = self.make_setup_state(app, options, first)
        if self.has_static_folder:
            state.add_url_rule(
                f"{self.static_url_path}/<path:filename>",
                view_func=self.send_static_file,
                endpoint="static",
            )
        self._merge_into(app, name)
        for deferred in self.deferred_functions:
            deferred(state)
        for blueprint, nested_options in self._blueprints:
            blueprint.register(app, self._nested_options(state, name, blueprint, nested_options))

    @staticmethod
    def _nested_options(
        state: BlueprintSetupState, name: str, blueprint: Blueprint, options: dict[str, Any]
    ) -> dict[str, Any]:
        """The options for a nested blueprint: its prefixes after those of the outer one."""
        options = {**options, "name_prefix": name}
        prefix = options.get("url_prefix")
        prefix = blueprint.url_prefix if prefix is None else prefix
        if state.url_prefix is not None and prefix is not None:
            prefix = f"{state.url_prefix.rstrip('/')}/{prefix.lstrip('/')}"
        elif prefix is None:
            prefix = state.url_prefix
        if prefix is not None:
            options["url_prefix"] = prefix
        subdomain = options.get("subdomain")
        subdomain = blueprint.subdomain if subdomain is None else subdomain
        if state.subdomain is not None and subdomain is not None:
            subdomain = f"{subdomain}.{state.subdomain}"
        elif subdomain is None:
            subdomain = state.subdomain
        if subdomain is not None:
            options["subdomain"] = subdomain
        return options

    def _merge_into(self, app: Flask, name: str) -> None:
        """Give the application our functions, under our name instead of None."""

        def key_for(key: str | None) -> str:
            return name if key is None else f"{name}.{key}"

        for key, by_code in self.error_handler_spec.items():
            app.error_handler_spec[key_for(key)] = defaultdict(
                dict, {code: dict(by_class) for code, by_class in by_code.items()}
            )
        app.view_functions.update(self.view_functions)
        merges: tuple[tuple[Any, Any], ...] = (
            (self.before_request_funcs, app.before_request_funcs),
            (self.after_request_funcs, app.after_request_funcs),
            (self.teardown_request_funcs, app.teardown_request_funcs),
            (self.url_default_functions, app.url_default_functions),
            (self.url_value_preprocessors, app.url_value_preprocessors),
            (self.template_context_processors, app.template_context_processors),
        )
        for ours, theirs in merges:
            for key, functions in ours.items():
                theirs[key_for(key)].extend(functions)

    @setupmethod
    def add_url_rule(
        self,
        rule: str,
        endpoint: str | None = None,
        view_func: RouteCallable | None = None,
        provide_automatic_options: bool | None = None,
        **options: Any,
    ) -> None:
        """As `Flask.add_url_rule`, with the blueprint's prefixes.

        :raises ValueError: if the endpoint, or the name of the view, contains a dot.
        """
        if endpoint and "." in endpoint:
            raise ValueError(f"'endpoint' may not contain a dot '.' character, got {endpoint!r}.")
        if view_func is not None and "." in getattr(view_func, "__name__", ""):
            raise ValueError(
                f"'view_func' name may not contain a dot '.' character, got {view_func.__name__!r}."
            )

        def add(state: BlueprintSetupState) -> None:
            state.add_url_rule(
                rule,
                endpoint,
                view_func,
                provide_automatic_options=provide_automatic_options,
                **options,
            )

        self.record(add)

    # The same for the whole application, whether the blueprint handles the request or not

    def _record_for_app(self, method: str, f: F, *args: Any) -> F:
        self.record_once(lambda state: getattr(state.app, method)(f, *args))
        return f

    @setupmethod
    def before_app_request(self, f: F) -> F:
        """`Flask.before_request`."""
        self.record_once(lambda s: s.app.before_request_funcs.setdefault(None, []).append(f))
        return f

    @setupmethod
    def after_app_request(self, f: F) -> F:
        """`Flask.after_request`."""
        self.record_once(lambda s: s.app.after_request_funcs.setdefault(None, []).append(f))
        return f

    @setupmethod
    def teardown_app_request(self, f: F) -> F:
        """`Flask.teardown_request`."""
        self.record_once(lambda s: s.app.teardown_request_funcs.setdefault(None, []).append(f))
        return f

    @setupmethod
    def app_context_processor(self, f: F) -> F:
        """`Flask.context_processor`."""
        self.record_once(lambda s: s.app.template_context_processors[None].append(f))
        return f

    @setupmethod
    def app_url_value_preprocessor(self, f: F) -> F:
        """`Flask.url_value_preprocessor`."""
        self.record_once(lambda s: s.app.url_value_preprocessors[None].append(f))
        return f

    @setupmethod
    def app_url_defaults(self, f: F) -> F:
        """`Flask.url_defaults`."""
        self.record_once(lambda s: s.app.url_default_functions[None].append(f))
        return f

    @setupmethod
    def app_errorhandler(self, code: type[Exception] | int) -> Callable[[F], F]:
        """`Flask.errorhandler`."""

        def decorator(f: ErrorHandlerCallable) -> ErrorHandlerCallable:
            self.record_once(lambda state: state.app.register_error_handler(code, f))
            return f

        return decorator  # type: ignore[return-value]

    @setupmethod
    def app_template_filter(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_filter`."""
        return lambda f: self.add_app_template_filter(f, name)

    @setupmethod
    def add_app_template_filter(self, f: F, name: str | None = None) -> F:
        """`Flask.add_template_filter`."""
        return self._record_for_app("add_template_filter", f, name)

    @setupmethod
    def app_template_test(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_test`."""
        return lambda f: self.add_app_template_test(f, name)

    @setupmethod
    def add_app_template_test(self, f: F, name: str | None = None) -> F:
        """`Flask.add_template_test`."""
        return self._record_for_app("add_template_test", f, name)

    @setupmethod
    def app_template_global(self, name: str | None = None) -> Callable[[F], F]:
        """`Flask.template_global`."""
        return lambda f: self.add_app_template_global(f, name)

    @setupmethod
    def add_app_template_global(self, f: F, name: str | None = None) -> F:
        """`Flask.add_template_global`."""
        return self._record_for_app("add_template_global", f, name)
