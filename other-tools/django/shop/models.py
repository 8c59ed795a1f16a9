from django.db import models


class Note(models.Model):
    body = models.TextField()
    author = models.TextField(default="")
    # A key of a tenant's table that leads to the shared schema.
    owner = models.ForeignKey("customers.Client", null=True, on_delete=models.CASCADE)


class Comment(models.Model):
    note = models.ForeignKey(Note, on_delete=models.CASCADE)
    body = models.TextField()
