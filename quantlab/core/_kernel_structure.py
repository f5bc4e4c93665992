"""How kernels pass state to one another: a structure of arrays behind one pointer, read without counting references.

The short ways here and in ``_kernel`` rest on the insides of one numba version; another takes the long ones, which are
numba's own.
"""

from __future__ import annotations

import threading
from functools import cache
from typing import Any

_LOCK = threading.RLock()


@cache
def numba_is_known() -> bool:
    """Whether this numba is the one that the short ways were written for."""
    import numba

    return bool(numba.__version__.startswith("0.68."))


class Structure:
    """A NamedTuple type that kernels pass to one another as one pointer.

    A tuple of arrays is passed field by field: with a hundred arrays a call costs a microsecond, and LLVM takes a
    minute over such signatures. Inside a kernel ``reference(*fields)`` gives an object with the same field names that
    costs one word; in plain Python it gives the tuple. It lives no longer than the kernel that made it, and borrows its
    arrays: that kernel's caller keeps them alive. Reading a field then counts no references, which are atomic.

    Attributes
    ----------
    tuple_type : type
        The NamedTuple class.
    """

    def __init__(self, tuple_type: Any) -> None:
        self.tuple_type = tuple_type
        self._class: Any = None

    def __call__(self, *fields: Any) -> Any:
        return self.tuple_type(*fields)

    @property
    def dispatcher(self) -> Any:
        """What numba calls in its place; asking for it imports numba."""
        with _LOCK:
            if self._class is None:
                self._class = _structure_class(self.tuple_type.__name__, self.tuple_type._fields)
            return self._class


def _structure_class(name: str, names: tuple[str, ...]) -> Any:
    from importlib import import_module

    types, structref = import_module("numba.core.types"), import_module("numba.experimental.structref")

    def unliteral(self: Any, fields: Any) -> Any:
        return tuple((field, types.unliteral(kind)) for field, kind in fields)

    # Numba pickles the type with compiled code, by the name under which it finds it here.
    kind = type(f"_{name}Structure", (types.StructRef,), {"preprocess_fields": unliteral, "__module__": __name__})
    made = type(f"_{name}Reference", (structref.StructRefProxy,), {"__module__": __name__})
    globals()[kind.__name__] = structref.register(kind)
    globals()[made.__name__] = made
    if not numba_is_known():
        structref.define_constructor(made, kind, list(names))
        return made
    for field in names:
        import_module("numba.core.imputils").lower_getattr(kind, field)(_reader(field))
    lines = [f"        made.{field} = borrowed({field})" for field in names]
    source = f"""
def constructor({", ".join(names)}):
    made_type = kind([{", ".join(f'("{field}", {field})' for field in names)}])
    def implementation({", ".join(names)}):
        made = new(made_type)
{chr(10).join(lines)}
        return made
    return implementation
"""
    scope = {"kind": kind, "new": structref.new, "borrowed": _borrowed()}
    exec(source, scope)  # noqa: S102  # as numba makes its own constructors; the names are those of a NamedTuple
    import_module("numba.extending").overload(made)(scope["constructor"])
    return made


def _reader(field: str) -> Any:
    """What reads a field of a structure, also in a kernel that counts no references; numba's own needs the count."""
    from numba.core import cgutils, imputils
    from numba.core.runtime import nrtdynmod

    def read(context: Any, builder: Any, kind: Any, value: Any) -> Any:
        data = kind.get_data_type()
        owner = builder.bitcast(
            context.make_helper(builder, kind, value=value).meminfo, nrtdynmod._meminfo_struct_type.as_pointer()
        )
        # The fourth word of numba's record of an allocation is the address of what was allocated.
        address = builder.load(cgutils.gep_inbounds(builder, owner, 0, 3))
        shape = context.data_model_manager[data].get_value_type().as_pointer()
        fields = context.make_data_helper(builder, data, ref=builder.bitcast(address, shape))
        return imputils.impl_ret_borrowed(context, builder, kind.field_dict[field], getattr(fields, field))

    return read


@cache
def _borrowed() -> Any:
    """What makes of an array one that owns nothing: counting its references does nothing."""
    from numba.core import cgutils, imputils, types
    from numba.extending import intrinsic

    def borrowed(context: Any, value: Any) -> Any:
        def generate(target: Any, builder: Any, signature: Any, args: Any) -> Any:
            if not isinstance(value, types.Array):
                return imputils.impl_ret_borrowed(target, builder, value, args[0])
            array = cgutils.create_struct_proxy(value)(target, builder, value=args[0])
            array.meminfo = cgutils.get_null_value(array.meminfo.type)
            return array._getvalue()

        return value(value), generate

    return intrinsic(borrowed)
