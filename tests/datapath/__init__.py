"""The engines themselves: table layouts, NICs, offload, control calls under traffic, hostile frames."""
