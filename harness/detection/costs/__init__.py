"""What a scoring pass of a real model takes on a hardware row: time and memory, modelled, never measured."""
