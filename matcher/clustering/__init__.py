"""Clustering: from links between records to persons.

`resolve` is the one procedure that says who is one person: a pure function of a component's links and vetoes. `persons`
keeps the components and calls it for those that changed. Cost: the size of the components touched.
"""
