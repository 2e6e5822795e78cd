"""How C is written: loops, the places of values, products of matrices, the functions of single numbers."""
