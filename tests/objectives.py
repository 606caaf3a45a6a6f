"""Objectives that tests share."""

import functools

from secondorder import Objective

# The Objective of these functions, made once and so compiled once.
made_once = functools.cache(Objective)
