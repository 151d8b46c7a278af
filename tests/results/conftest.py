from hypothesis import settings

# many of these properties write files and wait for the disk; how long that takes is not what they test
settings.register_profile("disk", deadline=None)
settings.load_profile("disk")
