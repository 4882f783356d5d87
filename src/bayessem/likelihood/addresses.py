"""Addresses of arrays as pointers, in compiled functions that are handed them as numbers."""

from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def pointer(typing_context, address):
    """An address as a pointer."""

    def generate(context, builder, signature, args):
        return builder.inttoptr(args[0], cgutils.voidptr_t)

    return types.voidptr(address), generate
