"""The paper's claims, tested: over seeds, against fully connected models, and over the choices the
paper leaves open.

``claims.toml`` has the claims, each with the criteria that decide it; ``design`` the models to
train for them; ``measure`` trains and measures one. ``verdicts`` makes the result,
``figures/claims.json``, from the records in ``records/``; ``results`` puts it in words.
"""
