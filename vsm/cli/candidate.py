"""x"""


class Candidates:
    pass
