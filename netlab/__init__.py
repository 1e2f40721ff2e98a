"""netlab: VMware's virtual networks as real packets on Linux network namespaces.

The verbs are in `netlab.lab`, which is also the public Python API. Importing
`netlab` itself loads nothing heavy.
"""

__version__ = "0.1.0"
