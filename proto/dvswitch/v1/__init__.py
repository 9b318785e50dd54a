"""Generated protocol code, made from the .proto files beside it by `make proto`."""
