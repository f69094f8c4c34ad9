"""The paper's claims in our words: identifier, where it stands, statement.

What was measured for each is published with the figure that shows it, in ``figures/figN.json``.
"""

from typing import NamedTuple


class Claim(NamedTuple):
    where: str      #: section, and figure if the claim is read off one
    statement: str


CLAIMS = {
    "A": Claim("4.1, Fig. 4", "The AE clusters unseen digits by class, in 2-D and in 3-D, without labels."),
    "B1": Claim("4.1, Fig. 4", "AE: the size of the clusters differs by digit."),
    "B2": Claim("4.1, Fig. 4", "AE: wide gaps without data lie between the clusters."),
    "C1": Claim("4.2, Fig. 5", "The VAE compresses the clusters into a narrower range than the AE."),
    "C2": Claim("4.2, Fig. 5", "VAE: the clusters' sizes differ less than the AE's."),
    "C3": Claim("4.2, Fig. 5", "VAE: clusters fill the gaps that the AE leaves."),
    "D": Claim("4.3, Fig. 6", "64-D VAE: no digit is misrecognised between input and reconstruction."),
    "E": Claim("4.3, Fig. 6", "64-D VAE: corrections are local, so comparing input and output localises a defect."),
    "F1": Claim("4.3, Fig. 7a", "Training and unseen images have similar distributions of error."),
    "F2": Claim("4.3, Fig. 7b", "Among large errors the share of unseen images rises."),
    "G": Claim("4.3, 5", "Trained on normal data only, a threshold on the error detects anomalies."),
    "H1": Claim("4.4, Fig. 8", "3-D VAE: the whole character is corrected, more strongly than in 64-D."),
    "H2": Claim("4.4, Fig. 8", "3-D VAE: outputs are less irregular and resemble one another within a digit."),
    "H3": Claim("4.4, Fig. 8", "3-D VAE: outputs are blurred."),
    "H4": Claim("4.4, Fig. 8", "3-D VAE: misrecognition is more frequent than in 64-D."),
    "I": Claim("5", "Misrecognition comes from overlap between clusters (the paper's conjecture)."),
    "J": Claim("1, 2.1, 2.2", "Convolution tolerates shifted inputs better than full connection."),
    "K": Claim("4.2, 5", "A to C hold for the fully connected AE and VAE too."),
}
