"""The paper's claims, tested: over seeds, against fully connected models, and over the choices the
paper leaves open.

`statements` has the claims, each with the criteria that decide it; `designs` the models to train
for them; `measure` trains and measures one; `sweep` does so for many, on one machine or many;
`verdicts` makes the result, ``figures/claims.json``, from the records in ``records/``.
"""
